# Stand-ins for the official images of PostgreSQL and nginx, for machines without a registry of images: the programs of Debian's
# packages, and as much of the official entry points as docs/compose.yaml uses.
ARG BASE
FROM ${BASE} AS services
RUN groupadd --system --gid 999 postgres && useradd --system --uid 999 --gid postgres --home-dir /var/lib/postgresql postgres \
    && apt-get update && apt-get install -y --no-install-recommends curl nginx-light postgresql \
    && rm -rf /etc/nginx/sites-enabled/default /var/lib/apt/lists/*

FROM services AS postgres
COPY tests/image/postgres_entrypoint /usr/local/bin/
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["/usr/local/bin/postgres_entrypoint"]

FROM services AS nginx
ENTRYPOINT ["nginx", "-g", "daemon off; error_log stderr notice;"]
