"""`countersign doctor`: looks at everything the bot stands on, and says what to mend."""

from bot.doctor.examination import examine
from bot.doctor.findings import Finding, Mark

__all__ = ["Finding", "Mark", "examine"]
