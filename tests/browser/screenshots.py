"""`make screenshots`: the pictures in README, taken by the browser tests of the demo."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
SHOWN = {
    "1-first-screen.png": "first-screen.png",
    "3-card.png": "card.png",
    "7-verified.png": "verified.png",
    "phone-thread.png": "phone.png",
}
"""What a test calls its picture, and what README calls it."""


def main() -> None:
    """Run the tests that take them, and keep those that README shows."""
    with tempfile.TemporaryDirectory() as taken:
        command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "tests/browser/test_demo.py"]
        environment = os.environ | {"SCREENSHOTS": taken}
        done = subprocess.run(command, env=environment, check=False)
        missing = [name for name in SHOWN if not (Path(taken) / name).is_file()]
        if done.returncode or missing:
            sys.exit(f"The tests did not take every picture; missing: {', '.join(missing) or '-'}.")
        FOLDER.mkdir(parents=True, exist_ok=True)
        for name, kept in SHOWN.items():
            shutil.copyfile(Path(taken) / name, FOLDER / kept)
            print(FOLDER / kept)


if __name__ == "__main__":
    main()
