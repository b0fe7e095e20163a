"""`python -m app.logs`."""

from app.core.command import main_of

if __name__ == "__main__":
    main_of("app.logs.command_line")
