"""What is asked about a fleet, a module for each question.

Every query reads the models alone. What counts as silent, behind, low or weak is said in the model `fleet`.
"""

from bridge.report.parts import Question
from bridge.report.questions import battery, connection, data, firmware, freshness, places, signal, silence

QUESTIONS: tuple[Question, ...] = (
    silence.QUESTION,
    firmware.QUESTION,
    battery.QUESTION,
    signal.QUESTION,
    data.QUESTION,
    connection.QUESTION,
    places.QUESTION,
    freshness.QUESTION,
)
