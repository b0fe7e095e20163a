# Two images: the orchestrator, from which the simulator runs with another command, and what makes
# the local stack's history.
# Both come from versions.env, by docker-compose.yml.
ARG PYTHON_TAG
ARG PROMETHEUS_VERSION

FROM python:${PYTHON_TAG} AS packages
COPY requirements/app.txt /tmp/requirements.txt
# Wheels only: a dependency that needs a compiler fails here instead of bringing one along.
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary=:all: \
    -r /tmp/requirements.txt

FROM packages AS stack-packages
COPY requirements/stack.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary=:all: \
    -r /tmp/requirements.txt \
 && /opt/venv/bin/pip uninstall --yes --quiet pip

FROM packages AS app-packages
RUN /opt/venv/bin/pip uninstall --yes --quiet pip

FROM prom/prometheus:v${PROMETHEUS_VERSION} AS prometheus

FROM python:${PYTHON_TAG} AS history
# A named volume takes the owner of the folder it is first mounted on.
RUN mkdir /prometheus && chown 65534:65534 /prometheus
COPY --from=prometheus /bin/prometheus /bin/promtool /usr/local/bin/
COPY --from=stack-packages /opt/venv /opt/venv
WORKDIR /srv
COPY asgi_observability asgi_observability
COPY app app
COPY simulator simulator
COPY alerts alerts
COPY prometheus_tools prometheus_tools
COPY stack stack
COPY versions.env versions.sha256 ./
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65534:65534
CMD ["python", "-m", "stack.history", "--help"]

FROM python:${PYTHON_TAG} AS orchestrator
# As above.
RUN mkdir /var/lib/orchestrator /var/lib/simulator /var/log/orchestrator \
 && chown 10001:10001 /var/lib/orchestrator /var/lib/simulator /var/log/orchestrator
COPY --from=app-packages /opt/venv /opt/venv
WORKDIR /srv
COPY asgi_observability asgi_observability
COPY app app
COPY simulator simulator
COPY alerts/runbooks alerts/runbooks
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
CMD ["python", "-m", "app"]
