"""`python -m deploy`."""

from app.core.command import main_of

if __name__ == "__main__":
    main_of("deploy.command_line")
