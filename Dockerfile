# syntax=docker/dockerfile:1
# docker build -t sower .
# docker run --stop-timeout 60 -p 127.0.0.1:7697:7697 -v sower:/var/lib/sower sower
# Asked by another name than localhost or an address, for example as a service of Compose: -e SOWERD_HOSTS=sower
ARG BASE=debian:13-slim

FROM ${BASE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /src
COPY Makefile ./
RUN make deps-build
COPY core core
COPY proto proto
COPY server server
COPY client client
RUN make install DESTDIR=/out

FROM ${BASE}
COPY --from=build /out/usr/local /usr/local
# Debian 13's own libmicrohttpd, 1.0.1, has faults that are mended in later versions (docs/security.md), and there is no
# package of it with the mends. So this one library is taken from the release after it, whose package asks for nothing
# that Debian 13 does not have; the pins keep all else out. The guards in the daemon hold with either version. On
# another base (Debian 12: 0.9.75) its own library stays.
RUN set -e; . /etc/os-release; [ "$VERSION_CODENAME" = trixie ] || exit 0; \
    sed '/^$/,$d; s/^Suites:.*/Suites: forky/' /etc/apt/sources.list.d/debian.sources >/etc/apt/sources.list.d/forky.sources; \
    printf 'Package: %s\nPin: release n=forky\nPin-Priority: %s\n\n' libmicrohttpd12t64 990 '*' -1 >/etc/apt/preferences.d/forky
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl \
        libcurl4 libjansson4 libmicrohttpd12 libpq5 libsodium23 libsqlite3-0 libsystemd0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home-dir /var/lib/sower --create-home --shell /usr/sbin/nologin sower \
    && ldd /usr/local/bin/sowerd /usr/local/bin/sow | { ! grep 'not found'; }
USER sower
ENV SOWERD_LISTEN=0.0.0.0:7697 SOWERD_STATE=/var/lib/sower
VOLUME /var/lib/sower
EXPOSE 7697
# Who is unhealthy may be killed: a daemon that brings an old ledger to this version is not ready, and lives.
HEALTHCHECK --interval=10s --timeout=3s CMD curl -fsS http://127.0.0.1:7697/healthz || exit 1
ENTRYPOINT ["/usr/local/bin/sowerd"]
