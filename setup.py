"""What pyproject.toml cannot say yet without a warning: the kernels for processors with matrix tiles."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "rvc.nn._tiles",
            ["rvc/nn/tiles.c"],
            depends=["rvc/nn/tiles_attend.h", "rvc/nn/tiles_curves.h", "rvc/nn/tiles_limbs.h"],
            libraries=["m"],
            extra_compile_args=["-O3", "-fopenmp"],  # not linked with OpenMP: torch brings its own
            optional=True,  # without a C compiler the project installs without them
        )
    ]
)
