"""The Slack app's manifest, as it lies beside the program."""

from importlib import resources
from pathlib import Path


def manifest_text() -> str:
    """`manifest.yml`, from inside the package or from the checkout; empty where there is none."""
    packaged = resources.files("bot").joinpath("manifest.yml")
    path = Path(__file__).resolve().parents[2] / "manifest.yml"
    try:
        return packaged.read_text(encoding="utf-8")
    except OSError:
        return path.read_text(encoding="utf-8") if path.is_file() else ""
