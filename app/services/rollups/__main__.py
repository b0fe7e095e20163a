"""`python -m app.services.rollups`."""

from app.core.command import main_of

if __name__ == "__main__":
    main_of("app.services.rollups.command_line")
