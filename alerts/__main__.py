"""`python -m alerts`."""

from app.core.command import main_of

if __name__ == "__main__":
    main_of("alerts.command_line")
