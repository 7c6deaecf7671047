"""Install acai_tf. Every lower bound below has run the tests (CONTRIBUTING.md says how)."""

import pathlib

from setuptools import find_packages, setup

setup(
    name="acai_tf",
    version="0.1.0",
    description="Adversarially Constrained Autoencoder Interpolation in Keras 3",
    long_description=(pathlib.Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["acai_tf", "acai_tf.*"]),
    package_data={"acai_tf": ["py.typed", "evaluation/report.html.jinja", "pretrained/*/*/*"]},
    entry_points={"console_scripts": ["acai-tf=acai_tf.__main__:main"]},
    python_requires=">=3.10",
    install_requires=[
        "absl-py>=2.1.0",
        "importlib_resources>=6.4.0",  # tensorflow-datasets 4.9.10 imports it undeclared
        "jinja2>=3.1.0",
        "keras>=3.10.0",
        "matplotlib>=3.9.0",
        "numpy>=1.26.0",
        "pillow>=10.3.0",
        "psutil>=6.0.0",
        "scikit-image>=0.24.0",
        "scikit-learn>=1.6.0",
        "scipy>=1.13.0",
        "tabulate>=0.9.0",
        "tensorboard>=2.20.0",
        "tensorboardX>=2.6.2",
        "tensorflow>=2.20.0",
        "tensorflow-datasets>=4.9.8",
        "threadpoolctl>=3.5.0",
        "tqdm>=4.66.0",
    ],
    extras_require={
        "test": [
            "ai-edge-litert>=2.0.0",
            "hypothesis>=6.100.0",
            "ipykernel>=6.29.0",
            "jax>=0.5.0",
            "nbclient>=0.10.0",
            "onnxruntime>=1.22.0",
            "pytest>=8.0.0",
            "pytest-xdist>=3.6.0",
            "ruff==0.17.5",
            "tf2onnx>=1.17.0",
        ],
        "gpu": ["tensorflow[and-cuda]>=2.20.0"],
        "jax": ["jax>=0.5.0"],
        "onnx": ["tf2onnx>=1.17.0"],
        "explore": ["gradio>=6.0.0"],
        "docs": [
            "mkdocs-material>=9.6.0",
            "mkdocstrings[python]>=1.0.0",
            "mkdocstrings-python>=2.0.0",
            "ruff>=0.9.0",  # wraps signatures
        ],
    },
)
