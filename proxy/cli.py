"""The command line: argv to a command. What a command needs is imported when it runs: `healthcheck` must be quick."""

from typing import Annotated

import typer

from proxy import __version__
from proxy.commands.options import ADMIN_HELP, BACKEND_HELP, CONFIG_HELP, SOURCES, TOKEN_HELP, takes_settings
from proxy.commands.problems import reported

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # its boxes leave a third of 80 columns for the text, and eat what stands in brackets
    pretty_exceptions_enable=False,  # they show local variables, tokens among them
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Seawall: a load balancer that finds its backends by Docker labels and keeps failures from clients.",
)


def main() -> None:
    """The command `seawall`."""
    app(prog_name="seawall")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seawall {__version__}")
        raise typer.Exit


@app.callback()
def _seawall(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options before a command."""


@app.command(epilog=SOURCES, short_help="Serve.")
@takes_settings
def run(options: dict[str, object]) -> None:
    """Serve: find containers with seawall labels and balance requests over them."""
    with reported():
        from proxy.commands.run import run

        run(options)


@app.command(epilog=SOURCES, short_help="Show the configuration and what becomes of every container.")
@takes_settings
def check(options: dict[str, object]) -> None:
    """Show the configuration, where each value came from, and what becomes of every container.

    Takes the options of run, and changes nothing. Exit code 1 when there is a problem, 2 when the configuration is
    wrong.
    """
    with reported():
        from proxy.commands.check import check

        raise typer.Exit(check(options))


@app.command(short_help="See it work, without Docker.")
def demo(
    listen: Annotated[
        str | None,
        typer.Option(metavar="ADDR", help="Address to take requests at. [default: 127.0.0.1:8080, or a free port]"),
    ] = None,
    admin: Annotated[
        str | None,
        typer.Option(metavar="ADDR", help="Address of metrics and API. [default: 127.0.0.1:9900, or a free port]"),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="NAME", help="Balance by random, round-robin or least-connections.")
    ] = None,
    rate: Annotated[
        float, typer.Option(metavar="N", min=0, max=1000, help="Requests a second of the built-in clients.")
    ] = 20,
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="End after so long. [default: at Ctrl-C]")
    ] = None,
) -> None:
    """See it work, without Docker: four small backends, one of them slow and one flaky, under a little load.

    Prints once a second what goes where, and how many requests failed for clients: none should. Exit code 1 when one
    did.
    """
    with reported():
        from proxy.demo.show import Wishes, show

        raise typer.Exit(show(Wishes(listen=listen, admin=admin, policy=policy, rate=rate, seconds=seconds)))


@app.command(short_help="Ask a running proxy whether it is well.")
def healthcheck(
    config: Annotated[str | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
    admin: Annotated[str | None, typer.Option(metavar="ADDR", help=ADMIN_HELP)] = None,
) -> None:
    """Ask a running proxy whether it is well, for Docker's HEALTHCHECK.

    Looks for the admin address where run does: variables, labels, file, default. An option that run was given cannot
    be seen from here: give it again, or set SEAWALL_ADMIN for both. Exit code 0 when it is well, else 1.
    """
    from proxy.commands.healthcheck import healthcheck

    health = healthcheck({"config": config, "admin": admin})
    typer.echo(health.why, err=not health.is_good)
    raise typer.Exit(0 if health.is_good else 1)


@app.command(short_help="Show services and backends as they stand, live.")
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON; with --watch a line each time.")] = False,
    interval: Annotated[str, typer.Option(metavar="TIME", help="Between two looks, which rates are made of.")] = "1s",
    config: Annotated[str | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
    admin: Annotated[str | None, typer.Option(metavar="ADDR", help=ADMIN_HELP)] = None,
) -> None:
    """Show the services and backends of a running proxy as they stand.

    State and why, since when, requests in flight and per second, errors, latencies, circuits, and what the last probe
    said. Looks for the admin address where run does. Exit code 0 when it is ready and every service has a backend, 1
    when not, 2 when it cannot be asked.
    """
    with reported():
        from proxy.commands.status import Wishes, status
        from proxy.commands.tables import make_console

        wishes = Wishes(watch=watch, as_json=as_json, interval=_duration(interval))
        raise typer.Exit(status({"config": config, "admin": admin}, wishes, make_console()))


@app.command(short_help="Take a backend out of service and wait until it is empty.")
def drain(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help=BACKEND_HELP)],
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="How long to wait for what is in flight; 0s: not at all.")
    ] = "30s",
    config: Annotated[str | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
    admin: Annotated[str | None, typer.Option(metavar="ADDR", help=ADMIN_HELP)] = None,
    admin_token: Annotated[str | None, typer.Option(metavar="TOKEN", help=TOKEN_HELP)] = None,
) -> None:
    """Take a backend out of service: no new requests, and wait until nothing is in flight there.

    It stays out until undrain, or until its container leaves. Exit code 0 when it is empty, 1 when it is not in time, 2
    when it could not be drained.
    """
    with reported():
        from proxy.commands.drain import drain

        options = {"config": config, "admin": admin, "admin-token": admin_token}
        raise typer.Exit(drain(options, backend, _duration(timeout), typer.echo))


@app.command(short_help="Give a drained backend back.")
def undrain(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help=BACKEND_HELP)],
    config: Annotated[str | None, typer.Option(metavar="FILE", help=CONFIG_HELP)] = None,
    admin: Annotated[str | None, typer.Option(metavar="ADDR", help=ADMIN_HELP)] = None,
    admin_token: Annotated[str | None, typer.Option(metavar="TOKEN", help=TOKEN_HELP)] = None,
) -> None:
    """Give a backend back that was drained. Exit code 0 when it is, 2 when it could not be."""
    with reported():
        from proxy.commands.drain import undrain

        options = {"config": config, "admin": admin, "admin-token": admin_token}
        raise typer.Exit(undrain(options, backend, typer.echo))


def _duration(text: str) -> float:
    """Seconds; a usage error when it is no duration."""
    from proxy.spec.values import InvalidValueError, parse_duration

    try:
        return parse_duration(text)
    except InvalidValueError as error:
        raise typer.BadParameter(f"{error} ({error.hint})" if error.hint else str(error)) from error


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"seawall {__version__}")
