"""Packaging of braintune: three library rooms and the recipes."""

from pathlib import Path

from setuptools import find_packages, setup

FIGURES = ["matplotlib>=3.10.7"]
CLUSTER = ["submitit>=1.5"]
DEMO = [*FIGURES, "gradio>=6.31", "plotly>=7"]
REPORT = ["jinja2>=3.1"]
WORDS = ["nltk>=3.9.1", "rapidfuzz>=3.9.7"]

setup(
    name="braintune",
    version="0.1.0",
    description="Fine-tune speech models on story-listening fMRI, and measure what that changes",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    url="https://github.com/braintune/braintune",
    project_urls={
        "Documentation": "https://github.com/braintune/braintune#readme",
        "Changelog": "https://github.com/braintune/braintune/blob/main/.github/CHANGELOG.md",
        "Issues": "https://github.com/braintune/braintune/issues",
        "Paper": "https://arxiv.org/abs/2410.09230",
    },
    keywords=["fMRI", "speech", "brain-tuning", "encoding models", "transformers"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
        "Typing :: Typed",
    ],
    packages=find_packages(
        include=["modeling_braintune*", "datasets_scripts*", "evaluate_metrics*", "recipes*"]
    ),
    # Cards and requirements of the metrics, templates, type markers, configurations
    package_data={
        "": ["*.md", "*.txt", "*.html", "*.css", "*.js", "py.typed"],
        "recipes": ["configs/*"],
    },
    python_requires=">=3.11",
    install_requires=[
        "torch>=2.11",
        "transformers>=5.23",
        "datasets>=5.1",
        "accelerate>=1.15",
        "evaluate>=0.4.6",
        "huggingface-hub>=1.33",
        "numpy>=2.0.1",
        "scipy>=1.15",
        "scikit-learn>=1.6",
        "filelock>=3.14",
        "joblib>=1.4",
        "peft>=0.21",
        "nibabel>=5.3",
        "nilearn>=0.14.1",
        "h5py>=3.12",
        "safetensors>=0.8.0",
        "soundfile>=0.13.1",
        "praatio>=6.2",
        "jiwer>=4",
        "pyyaml>=6",
        "tabulate>=0.9",
        "tqdm>=4.66.3",
    ],
    extras_require={
        "cluster": CLUSTER,
        "demo": DEMO,
        "figures": FIGURES,
        "report": REPORT,
        "words": WORDS,
        "test": [
            *CLUSTER,
            *DEMO,
            *REPORT,
            *WORDS,
            "pytest>=9",
            "pytest-xdist>=3.8",
            "hypothesis>=6.100",
            "import-linter>=2.5",
            "mypy>=2",
            "ruff>=0.14",
            "setuptools>=77.0.3",
        ],
    },
)
