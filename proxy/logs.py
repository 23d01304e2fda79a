"""The control plane's log: structured, on stderr, text for a terminal and JSON for everything else."""

import logging
import sys

import structlog


def configure(form: str) -> None:
    """Set structlog up for `text`, `json` or `auto`."""
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if text else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def silence() -> None:
    """Drop everything below errors: for commands that talk to a person themselves."""
    configure("auto")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
