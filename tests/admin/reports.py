"""Container reports as the reconciler hands them on."""

from proxy.problem import Problem
from proxy.spec.container import Claim, Container, ContainerReport, Decision
from proxy.spec.service import Lifecycle


def report(name: str, decision: Decision, *problems: Problem, claims: tuple[Claim, ...] = ()) -> ContainerReport:
    container = Container(
        id=f"id-{name}",
        name=name,
        labels={"password": "from-a-label"},
        lifecycle=Lifecycle.RUNNING,
        started=86_400.0,
        ports=(80,),
        attachments=(),
        host_network=False,
        has_healthcheck=False,
        stop_signals=frozenset({15}),
        stop_timeout=10.0,
    )
    return ContainerReport(
        container=container, decision=decision, reason=f"it is {decision.value}", claims=claims, problems=problems
    )
