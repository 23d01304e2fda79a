// Figures as people read them: three digits at most, the unit beside, a dash for what is not known.

const DASH = "–";
const SPACE = "\u202f"; // narrow, and no line breaks there

const digits = (value) => (value >= 99.5 ? value.toFixed(0) : value >= 9.95 ? value.toFixed(0) : value.toFixed(1));

/** Things per second, without the unit. */
export function count(value) {
  if (value === null) return DASH;
  if (value === 0) return "0";
  if (value < 0.05) return "<0.1";
  if (value >= 999_500) return digits(value / 1_000_000) + SPACE + "M";
  if (value >= 9_995) return digits(value / 1_000) + SPACE + "k";
  return digits(value);
}

/** Things per second. */
export const rate = (value) => (value === null ? DASH : count(value) + "/s");

/** A part of one. */
export function percent(part) {
  if (part === null) return DASH;
  if (part === 0) return "0" + SPACE + "%";
  if (part < 0.001) return "<0.1" + SPACE + "%";
  return digits(part * 100) + SPACE + "%";
}

/** Seconds of a latency; Infinity for one above `highest`, the last bound of the histogram. */
export function latency(seconds, highest) {
  if (seconds === null) return DASH;
  if (seconds === Infinity) return ">" + latency(highest, highest);
  return seconds < 0.9995 ? digits(seconds * 1_000) + SPACE + "ms" : digits(seconds) + SPACE + "s";
}

/** Seconds since something, in its two largest units. */
export function age(seconds) {
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor(whole / 3_600) % 24, Math.floor(whole / 60) % 60];
  if (days) return days + SPACE + "d" + (hours ? " " + hours + SPACE + "h" : "");
  if (hours) return hours + SPACE + "h" + (minutes ? " " + minutes + SPACE + "min" : "");
  if (minutes) return minutes + SPACE + "min" + (minutes < 5 ? " " + (whole % 60) + SPACE + "s" : "");
  return whole + SPACE + "s";
}

/** The time of day of a Date, on a 24-hour clock. */
export const clock = (date) => date.toLocaleTimeString("en-GB");

/** `1 backend`, `2 backends`. */
export const plural = (number, noun) => number + " " + noun + (number === 1 ? "" : "s");
