"""Installs tfvae, its configs and its three commands. Tool settings stand in pyproject.toml."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "tfvae/__init__.py").read_text("utf-8"))[1]

NOTEBOOKS = ["ipykernel", "nbclient>=0.9", "nbformat>=5.9"]

setup(
    name="tfvae",
    version=VERSION,
    description="Variational autoencoders on TensorFlow, Keras 3 and TensorFlow Probability",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    url="https://github.com/tfvae/tfvae",  # the notebooks install from here
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.14",
    # The configs stand beside the package, where a user reads and copies them, and are installed
    # inside it, where an installed command finds them.
    packages=[*find_packages(include=["tfvae", "tfvae.*"]), "tfvae.configs"],
    package_dir={"tfvae.configs": "configs"},
    package_data={"tfvae": ["py.typed"]},
    install_requires=[
        "absl-py>=2.0",
        "h5py>=3.11",  # reads the weights in a .keras file before Keras does
        "keras>=3.12",  # the newest for Python 3.10
        "matplotlib>=3.8",
        "ml_collections>=1.0",
        "numpy>=1.26",
        "scikit-learn>=1.4",
        "scipy>=1.11",  # comes with scikit-learn
        "tensorboard>=2.20",  # tf.summary needs it; TensorFlow 2.21 no longer brings it
        "tensorflow>=2.21",
        "tensorflow-probability[tf]>=0.25",
        "threadpoolctl>=3.1",  # comes with scikit-learn
        "typing_extensions>=4.6",  # comes with TensorFlow; Unpack for Python 3.10
    ],
    extras_require={
        "docs": ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26", "ruff"],
        "gpu": ["tensorflow[and-cuda]>=2.21"],
        "notebooks": ["jupyterlab>=4", *NOTEBOOKS],
        "test": [
            *NOTEBOOKS,
            "mypy>=1.11",
            "pandas>=2",
            "pillow>=10",
            "pytest>=8",
            "pytest-xdist>=3.8",
            "ruff==0.17.6",
            "scipy>=1.11",
        ],
    },
    entry_points={
        "console_scripts": [
            "tfvae-train=tfvae.cli.train:run",
            "tfvae-evaluate=tfvae.cli.evaluate:run",
            "tfvae-sample=tfvae.cli.sample:run",
        ]
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (10, 11, 12, 13)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
