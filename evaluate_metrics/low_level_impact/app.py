"""The Space's page: compute the metric in a browser."""

from pathlib import Path

import evaluate
from evaluate.utils import launch_gradio_widget

launch_gradio_widget(evaluate.load(str(Path(__file__).with_name("low_level_impact.py"))))
