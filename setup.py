"""What pyproject.toml cannot say: the compiled codec, which an install does without where there is no C compiler."""

from glob import glob

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "proxy.wire.compiled",
            ["proxy/wire/compiled.pyx"],
            depends=sorted(glob("proxy/wire/*.pxd")),
            extra_compile_args=["-O3"],
            optional=True,
        ),
    ]
)
