# The image of alert-relay:  docker build -t alert-relay .
# Give it a configuration folder with relay.yml and web.yml (who may post), and a data folder that uid 65532 may write:
#   docker run --read-only -p 9087:9087 -v ./config:/etc/alert-relay:ro -v relay:/data alert-relay
# BASE_IMAGE: any Linux with Python 3.11 or newer as python3, and its venv module. A release pins it by digest.
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /src
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/alert-relay && mkdir /data
COPY requirements-build.txt requirements-postgres.txt ./
# Wheels alone: nothing is compiled, and nothing but what the hashes name is installed.
RUN /build/bin/pip install --quiet --no-cache-dir --require-hashes --only-binary :all: -r requirements-build.txt && \
    /build/bin/pip --python /opt/alert-relay/bin/python install --quiet --no-cache-dir \
        --require-hashes --only-binary :all: -r requirements-postgres.txt
COPY . .
RUN /build/bin/pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation -w /wheel . && \
    /build/bin/pip --python /opt/alert-relay/bin/python install --quiet --no-cache-dir --no-deps /wheel/*.whl

FROM ${BASE_IMAGE}
ARG VERSION=unreleased
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="alert-relay" \
      org.opencontainers.image.description="Alertmanager's webhooks to Telegram and Discord" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /opt/alert-relay /opt/alert-relay
COPY --from=build --chown=65532:65532 /data /data
# The root may be read-only: Python writes no bytecode, and SQLite's temporary files go where the data is.
ENV PATH=/opt/alert-relay/bin:$PATH \
    ALERT_RELAY_CONFIG_FILE=/etc/alert-relay/relay.yml \
    ALERT_RELAY_STORAGE_PATH=/data \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SQLITE_TMPDIR=/data \
    HEALTH_URL=http://127.0.0.1:9087/-/healthy
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 9087
# With TLS in web.yml: -e HEALTH_URL=https://127.0.0.1:9087/-/healthy. The certificate is made out for another name.
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["/opt/alert-relay/bin/python", "-c", \
    "import os, ssl, urllib.request as r; r.urlopen(os.environ['HEALTH_URL'], timeout=4, context=ssl._create_unverified_context())"]
ENTRYPOINT ["/opt/alert-relay/bin/alert-relay"]
CMD ["serve", "--config.file=/etc/alert-relay/relay.yml", "--web.config.file=/etc/alert-relay/web.yml", \
     "--web.listen-address=:9087"]
