# The image of the orchestrator; the simulator runs from it with another command.
FROM python:3.13-slim-trixie AS build
COPY requirements/app.txt /tmp/requirements.txt
# Wheels only: a dependency that needs a compiler fails here instead of bringing one along.
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary=:all: \
    -r /tmp/requirements.txt \
 && /opt/venv/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim-trixie
# A named volume takes the owner of the folder it is first mounted on.
RUN mkdir /var/lib/orchestrator /var/lib/simulator /var/log/orchestrator \
 && chown 10001:10001 /var/lib/orchestrator /var/lib/simulator /var/log/orchestrator
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv
COPY app app
COPY simulator simulator
COPY alerts/runbooks alerts/runbooks
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
CMD ["python", "-m", "app"]
