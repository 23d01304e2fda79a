"""The closed set of problem kinds: `Problem.kind` and the label `kind` of `seawall_discovery_problems`.

Law: a kind is added here and nowhere else; a test holds the code to it.
"""

from typing import Final

# one container

UNKNOWN_KEY: Final = "unknown-key"
"""A `seawall.` label that means nothing; the container is routed all the same."""

DUPLICATE_KEY: Final = "duplicate-key"
"""A label given twice, in different upper and lower case; one of the two is used."""

UNUSED_KEY: Final = "unused-key"
"""A label that has no effect where it stands."""

INVALID_VALUE: Final = "invalid-value"
"""A value that cannot be used, of a key whose default is safe; the default is."""

BAD_ENABLE: Final = "bad-enable"
"""`seawall.enable` is neither true nor false: not routed, since nobody knows whether it should be."""

BAD_SERVICE: Final = "bad-service"
"""The service's name cannot be one: not routed."""

BAD_PORT: Final = "bad-port"
"""`seawall.port` is no port: not routed."""

NO_PORT: Final = "no-port"
"""No port is labelled and none is exposed: not routed."""

SEVERAL_PORTS: Final = "several-ports"
"""No port is labelled and several are exposed: not routed, rather than to one at random."""

BAD_SCHEME: Final = "bad-scheme"
"""`seawall.scheme` is neither http nor https: not routed."""

BAD_RULE: Final = "bad-rule"
"""`seawall.rule`, `host` or `path` cannot be read: not routed, rather than given requests nobody meant."""

BAD_POLICY: Final = "bad-policy"
"""`seawall.policy` names no policy: not routed."""

UNKNOWN_NETWORK: Final = "unknown-network"
"""The container is not in the network that `seawall.network` names: not routed."""

NO_NETWORK: Final = "no-network"
"""No network of the container leads to it from the proxy: not routed."""

SEVERAL_NETWORKS: Final = "several-networks"
"""Several networks lead to the container and none is labelled: not routed, rather than through one at random."""

FOREIGN_NETWORK: Final = "foreign-network"
"""The labelled network is not one of the proxy's own; routed all the same, since the operator said so."""

NO_ADDRESS: Final = "no-address"
"""The container runs and has no address in its network: not routed."""

UNREADABLE: Final = "unreadable-container"
"""The engine cannot say what the container is, or says it in no known format: not routed, unless it was before."""

# the engine

ENGINE_UNREACHABLE: Final = "engine-unreachable"
"""The container engine does not answer: what was known stays as it was."""

# several containers

DUPLICATE_ROUTE: Final = "duplicate-route"
"""Two services ask for the same requests: the one that started first keeps them."""

DUPLICATE_BACKEND: Final = "duplicate-backend"
"""The same backend is given twice in one service; it counts once."""

DUPLICATE_ADDRESS: Final = "duplicate-address"
"""Two containers say that they serve at one address; only one can."""

# the proxy itself

UNKNOWN_SETTING: Final = "unknown-setting"
"""An option, variable, label or key of the file that names no setting."""

INVALID_SETTING: Final = "invalid-setting"
"""A value that a setting cannot have."""

WRONG_TYPE: Final = "wrong-type"
"""A value of the file whose type a setting cannot have."""

NOT_SUPPORTED: Final = "not-supported"
"""A setting that this version knows and cannot do yet; what it does instead is said."""

ALL: Final = frozenset(value for name, value in globals().items() if name.isupper() and isinstance(value, str))
