# What `matrixdotorg/synapse` is to docker-compose.yml, from PyPI: `cargo xtask setup --docker` makes it where the published image
# is not there.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY certificates/ /usr/local/share/ca-certificates/
RUN update-ca-certificates
COPY requirements.txt /
RUN python3 -m venv /usr/local/synapse \
    && /usr/local/synapse/bin/pip install --quiet --disable-pip-version-check --cert /etc/ssl/certs/ca-certificates.crt \
        $(grep '^matrix-synapse==' /requirements.txt)
ENV PATH=/usr/local/synapse/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
EXPOSE 8008
CMD ["python", "-m", "synapse.app.homeserver"]
