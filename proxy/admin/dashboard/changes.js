// Drain and undrain: the buttons, and the token that they may need.

import { byId, notice } from "./page.js";
import { change, hasToken, keepToken, Refusal } from "./server.js";

const DONE = { drain: "takes no new requests", undrain: "takes requests again" };

/** The buttons of all rows. `onChanged` is called after each change. */
export class ChangeButtons {
  constructor(onChanged) {
    this.onChanged = onChanged;
    byId("service-list").addEventListener("click", (event) => this.onClick(event.target));
    byId("forget").addEventListener("click", () => {
      keepToken(null);
      this.showToken();
      notice("The token is forgotten.");
    });
    this.showToken();
  }

  async onClick(button) {
    const { backend, verb } = button.dataset;
    if (!verb || button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true"); // not disabled: it would lose the focus
    try {
      await this.changeWithToken(backend, verb);
    } catch (failure) {
      notice("Could not " + verb + " " + backend + ": " + failure.message);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  async changeWithToken(backend, verb) {
    for (;;) {
      try {
        await change(backend, verb);
        notice(backend + " " + DONE[verb] + ".");
        this.onChanged();
        return;
      } catch (failure) {
        if (!(failure instanceof Refusal) || failure.status !== 401) throw failure;
        const token = await askForToken(hasToken());
        if (token === null) return;
        keepToken(token);
        this.showToken();
      }
    }
  }

  showToken() {
    byId("forget").hidden = !hasToken();
  }
}

/** The token as typed, or null when the dialog was left. */
function askForToken(wasWrong) {
  const dialog = byId("token-dialog");
  const input = byId("token");
  input.value = "";
  byId("token-title").textContent = wasWrong ? "That was not the admin token" : "Changes need the admin token";
  dialog.returnValue = "";
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    byId("token-cancel").onclick = () => dialog.close("");
    byId("token-form").onsubmit = (event) => {
      event.preventDefault();
      dialog.close(input.value);
    };
    dialog.onclose = () => {
      input.value = "";
      resolve(dialog.returnValue || null);
      dialog.returnValue = "";
    };
  });
}
