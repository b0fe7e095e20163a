"""`python -m dashboards`."""

from app.core.command import main_of

if __name__ == "__main__":
    main_of("dashboards.command_line")
