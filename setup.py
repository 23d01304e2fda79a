"""What pyproject.toml cannot say: what is compiled. An install does without where there is no C compiler.

The codec is written in Cython and has a reference in Python. The modules that a request goes through are Python that
mypyc compiles as it is: in an install only, never in place, where an edit would go unseen behind a compiled module.
"""

from glob import glob
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext

# They call each other and read each other's attributes in C, so all of them are compiled or none. None has a coroutine:
# with Python 3.13 a compiled one lost the exception of what it awaited.
COMPILED = [
    *("proxy/balancing/least_connections.py", "proxy/balancing/policies.py", "proxy/balancing/policy.py"),
    *("proxy/balancing/random_choice.py", "proxy/balancing/round_robin.py"),
    *("proxy/retry/decision.py", "proxy/wire/chunked.py", "proxy/wire/head_buffer.py"),
    *("proxy/fleet/backend.py", "proxy/fleet/fleet.py", "proxy/fleet/last_resort.py", "proxy/fleet/route_index.py"),
    *("proxy/fleet/routes.py", "proxy/fleet/service.py", "proxy/fleet/shared_load.py", "proxy/fleet/statistics.py"),
    *("proxy/dataplane/admission.py", "proxy/dataplane/asker.py", "proxy/dataplane/attempts.py"),
    *("proxy/dataplane/downstream.py", "proxy/dataplane/exchange.py", "proxy/dataplane/plane.py"),
    *("proxy/dataplane/own_answers.py", "proxy/dataplane/peers.py", "proxy/dataplane/pool.py"),
    *("proxy/dataplane/request_reader.py", "proxy/dataplane/response_reader.py", "proxy/dataplane/retries.py"),
    *("proxy/dataplane/slow_try.py", "proxy/dataplane/tracing.py", "proxy/dataplane/tunnel.py"),
    *("proxy/dataplane/upload.py", "proxy/dataplane/upstream.py"),
]


class BuildExtensions(build_ext):
    """The codec always, the modules of COMPILED where the build is not in place."""

    def run(self) -> None:
        """Build what can be built."""
        super().run()
        if self.inplace:
            return
        modules = compiled_modules(self.build_temp)
        # A distribution of their own: that of the package is asked for its extensions whenever files are only listed.
        build = build_ext(Distribution({"ext_modules": modules}))
        build.build_lib, build.build_temp, build.force = self.build_lib, self.build_temp, True
        build.ensure_finalized()
        build.run()
        built = [Path(build.get_ext_fullpath(module.name)) for module in modules]
        if not all(path.exists() for path in built):
            for path in built:
                path.unlink(missing_ok=True)


def compiled_modules(folder: str) -> list[Extension]:
    """Write the C source of COMPILED into a folder. An empty list when mypyc is not there or refuses the modules."""
    try:
        from mypyc.build import mypycify

        options = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
        modules = mypycify([*options, *COMPILED], group_name="seawall", target_dir=folder, debug_level="0")
    except (ImportError, SystemExit) as error:
        print(f"the modules of the data plane stay Python: {error}")
        return []
    for module in modules:
        module.optional = True
        # A new compiler's warning must not cost the speed.
        module.extra_compile_args = [flag for flag in module.extra_compile_args if flag != "-Werror"]
    return modules


setup(
    cmdclass={"build_ext": BuildExtensions},
    ext_modules=[
        Extension(
            "proxy.wire.compiled",
            ["proxy/wire/compiled.pyx"],
            depends=sorted(glob("proxy/wire/*.pxd")),
            extra_compile_args=["-O3"],
            optional=True,
        ),
    ],
)
