# syntax=docker/dockerfile:1
# docker build -t sower .
# docker run --stop-timeout 60 -p 127.0.0.1:7697:7697 -e SOWERD_OPEN=yes -v sower:/var/lib/sower sower
# If clients use another name than localhost or an address (a Compose service, for example): -e SOWERD_HOSTS=sower
# docs/operations.md says more. Both Debian 12 and 13 work: --build-arg BASE=debian:12-slim
ARG BASE=debian:13-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /src
COPY Makefile ./
RUN make deps-build PACKAGES_PYTHON=
COPY core core
COPY proto proto
COPY server server
COPY client client
RUN make -j"$(nproc)" install-programs DESTDIR=/out \
    && strip /out/usr/local/bin/* && rm -r /out/usr/local/share \
    && install -Dm755 server/docker_entrypoint /out/usr/local/bin/docker-entrypoint
COPY LICENSE /out/usr/local/share/doc/sower/copyright

FROM ${BASE}
# Debian 13 has libmicrohttpd 1.0.1, which has bugs that later versions fix (docs/security.md), and no package for
# Debian 13 has the fixes. So this one library comes from the next release of Debian; its package needs nothing that
# Debian 13 does not have, and the pins exclude all other packages. The daemon's guards work with both versions.
# Another base (Debian 12: 0.9.75) keeps its own library.
#
# The user has the number that earlier images gave it, so that it can read their volumes. Every user may create a folder in
# /var/lib/sower, so that the image also runs under another one: docker run --user.
RUN set -e; . /etc/os-release; \
    if [ "$VERSION_CODENAME" = trixie ]; then \
        sed '/^$/,$d; s/^Suites:.*/Suites: forky/' /etc/apt/sources.list.d/debian.sources >/etc/apt/sources.list.d/forky.sources; \
        printf 'Package: %s\nPin: release n=forky\nPin-Priority: %s\n\n' libmicrohttpd12t64 990 '*' -1 >/etc/apt/preferences.d/forky; \
    fi; \
    apt-get update; \
    apt-get install -y --no-install-recommends ca-certificates curl \
        libcurl4 libgnutls30 libjansson4 libmicrohttpd12 libpq5 libsodium23 libsqlite3-0 libsystemd0; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache /var/lib/dpkg/*-old /var/log/*; \
    groupadd --system --gid 999 sower; \
    useradd --system --uid 999 --gid sower --home-dir /var/lib/sower --no-create-home --shell /usr/sbin/nologin sower; \
    install -d -m 1777 -o sower -g sower /var/lib/sower
COPY --from=build /out/usr/local /usr/local
RUN ! ldd /usr/local/bin/sowerd /usr/local/bin/sow | grep 'not found'
# Numbers, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 999:999
# Docker forwards a published port to the container's address, not to its loopback. There the daemon listens only with
# --tokens FILE, or with --open yes: everybody who reaches the port may use it. Without both, its sentence says so.
ENV SOWERD_LISTEN=0.0.0.0:7697
VOLUME /var/lib/sower
EXPOSE 7697
STOPSIGNAL SIGTERM
# /healthz, not /readyz: an unhealthy container may be killed, and a daemon that upgrades its ledger is not ready yet.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/bin/sh", "-c", "exec curl -fsSk --max-time 2 \"http${SOWERD_TLS_CERTIFICATE:+s}://127.0.0.1:7697/healthz\""]
ENTRYPOINT ["/usr/local/bin/docker-entrypoint"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sower" \
      org.opencontainers.image.description="Serves starting weights of neural networks over HTTP, and records every draw" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
