"""The orchestrator as a model: messages, kills and lost replies in any order."""
