# make            build/sowerd, build/sow and build/libsower.so.1
# make demo       build, start a daemon, fetch a tensor and compare it
# make run        the daemon in the foreground (ARGS="--threads 4" passes options)
# make check      every test; ends in "N passed, N failed"
# make interop    comparisons with PyTorch, JAX and Keras, installed from PyPI into build/venv
# make python     the Python package: wheel and source distribution in build/python
# make check-python      its tests, with each Python of this machine (PYTHONS="python3.12 …" names them)
# make check-arch        the vectors on emulated aarch64 and s390x, by gcc and clang
# make check-openapi     linters, generated requests and a generated client for proto/openapi.json, installed from PyPI
# make check-threads     tests of the daemon under ThreadSanitizer
# make check-systemd     the installed service under systemd, in containers of Debian 12 and 13 (as root)
# make check-reproducible  two builds in two directories are equal byte for byte
# make check-exhaustive  all 2^32 words through every kernel, in some minutes
# make fuzz       every parser with generated input, SECONDS=60 each
# make fuzz-http  the same over HTTP, with each libmicrohttpd of make library-versions
# make bench      performance, as ratios to peers measured in the same run
# make deps       install the packages that building and make check need (apt)
# make library-versions  libmicrohttpd of three Debian releases, for the tests that run with each
# make install    into $(DESTDIR)$(PREFIX), where PREFIX is /usr/local by default
# make deb        Debian's packages, in build/deb
# make check-image       the Docker image on Debian 12 and 13, built by buildah and run by podman (root)
# make check-deb  installs, upgrades and purges them in clean systems of Debian 12 and 13; needs root
# make sbom       build/sower.cdx.json: the packages, what they depend on, versions and licences

BUILD ?= build
CC ?= cc
OBJCOPY ?= objcopy
# Constants are enumerators, also in expressions with doubles, of which clang of Debian 13 would warn.
WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-enum-float-conversion
# -ffp-contract=off is part of the bit contract: a * b + c is rounded twice unless the code says fma.
override CFLAGS += -std=c17 -D_GNU_SOURCE $(WARNINGS) -iquote . -ffp-contract=off -fno-math-errno -ffile-prefix-map=$(CURDIR)=. -MMD -MP
OPTIMIZE ?= -O2 -g
ifdef WERROR
override CFLAGS += -Werror
endif
# The flags that harden programs, as far as the compiler has them for its machine; HARDEN= builds without. The sanitizers and
# libFuzzer do such checks themselves. _FORTIFY_SOURCE needs optimization.
ifeq ($(SANITIZE)$(TSAN)$(FUZZ),)
HARDEN := $(shell for flag in -fstack-protector-strong -fstack-clash-protection -fcf-protection -mbranch-protection=standard; do \
    $(CC) -Werror $$flag -x c -c -o /dev/null /dev/null 2>/dev/null && echo $$flag; done)
ifneq ($(strip $(HARDEN)),)
override CFLAGS += $(HARDEN) -fPIE
ifneq ($(filter-out -O0,$(lastword -O0 $(filter -O%,$(OPTIMIZE) $(CFLAGS)))),)
override CFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3
endif
override LDFLAGS += -pie -Wl,-z,relro,-z,now,-z,noexecstack
endif
endif
ifdef SANITIZE
override CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=address,undefined
endif
ifdef TSAN
override CFLAGS += -fsanitize=thread -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=thread
endif
ifdef FUZZ
override CFLAGS += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=address,undefined
endif

sources = $(sort $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(addsuffix /*.c,$(patsubst %/,%,$(1))))))
CORE = $(call sources,core core/initializers core/kernels)
PROTO = $(call sources,proto proto/recipes)
SERVER = $(call sources,server $(wildcard server/*/ server/*/*/)) $(BUILD)/server/handlers/openapi_text.o
LIBRARY = $(call sources,client/library)
CLIENT = $(call sources,client/sow $(wildcard client/sow/*/))
UNIT = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/*.c))

CORE_LIBS = -lsodium -lm
PROTO_LIBS = -ljansson
SERVER_LIBS = -lmicrohttpd -lgnutls -lsqlite3 -lpq -lsystemd -lpthread
CLIENT_LIBS = -lcurl -lsqlite3 -lpthread

.DEFAULT_GOAL := all
.SECONDARY:
.PHONY: all library-versions deps-build deps-demo deps deps-ci deps-bench deps-interop demo run check bench interop check-arch deps-arch check-threads check-reproducible check-exhaustive unit-tests install clean

all: $(BUILD)/sowerd $(BUILD)/sow $(BUILD)/libsower.so.1 $(BUILD)/libsower.a

# An archive is always created from scratch, so that it has no object of a deleted source.
$(BUILD)/core.a: $(CORE)
$(BUILD)/proto.a: $(PROTO)
$(BUILD)/server.a: $(filter-out $(BUILD)/server/main.o,$(SERVER))
$(BUILD)/library.a: $(LIBRARY)
$(BUILD)/core.a $(BUILD)/proto.a $(BUILD)/server.a $(BUILD)/library.a:
	@rm -f $@
	$(AR) qcsD $@ $^

$(BUILD)/sowerd: $(BUILD)/server/main.o $(BUILD)/server.a $(BUILD)/proto.a $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(PROTO_LIBS) $(CORE_LIBS)

$(BUILD)/sow: $(CLIENT) $(BUILD)/library.a $(BUILD)/proto.a $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $^ $(CLIENT_LIBS) $(PROTO_LIBS) $(CORE_LIBS)

# libsower. All its code is one object with jansson inside, and only the symbols of libsower.map are visible: proto replaces
# jansson's memory functions (proto/json.h), which must not happen to the jansson of the program.
LIBRARY_MAP = client/library/libsower.map
LIBRARY_LIBS = -lsodium -lm -lpthread
JANSSON_ARCHIVE = $(shell $(CC) -print-file-name=libjansson.a)

$(BUILD)/pic/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(OPTIMIZE) $(CFLAGS) $(CFLAGS_$(notdir $*)) -fPIC -fvisibility=hidden -c -o $@ $<

$(BUILD)/pic/libsower.o: $(patsubst $(BUILD)/%,$(BUILD)/pic/%,$(LIBRARY) $(PROTO) $(CORE)) $(LIBRARY_MAP)
	sed -n 's/^ *\(sower_[a-z_]*\);$$/\1/p' $(LIBRARY_MAP) >$(BUILD)/pic/symbols
	$(OBJCOPY) --redefine-sym stdin=sower_unused_stdin $(JANSSON_ARCHIVE) $(BUILD)/pic/libjansson.a
	$(CC) -r -nostdlib -o $@ $(filter %.o,$^) $(BUILD)/pic/libjansson.a
	$(OBJCOPY) --keep-global-symbols=$(BUILD)/pic/symbols $@

$(BUILD)/libsower.a: $(BUILD)/pic/libsower.o
	@rm -f $@
	$(AR) qcsD $@ $^

$(BUILD)/libsower.so.1: $(BUILD)/pic/libsower.o $(LIBRARY_MAP)
	$(CC) $(filter-out -pie,$(LDFLAGS)) -shared -Wl,-soname,$(@F) -Wl,--version-script=$(LIBRARY_MAP) -o $@ $< $(LIBRARY_LIBS)
	ln -sf $(@F) $(BUILD)/libsower.so

# Only unit tests of the server link with the server and its libraries. The others build without these libraries.
$(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/server/*.c)): $(BUILD)/server.a
$(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/client/*.c)): $(BUILD)/library.a
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/proto.a $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $< $(filter %server.a %library.a,$^) $(filter-out %server.a %library.a %.o,$^) -lcmocka -lpthread \
	    $(if $(filter %server.a,$^),$(SERVER_LIBS)) $(PROTO_LIBS) $(CORE_LIBS)

# It defines functions of libc, which clang 19 does not accept beside their fortified declarations.
CFLAGS_power_cut = -U_FORTIFY_SOURCE

# Their arrays have fixed sizes, and the check cost the uniform law 4 %.
CFLAGS_portable = -fno-stack-protector
CFLAGS_tile_portable = -fno-stack-protector

# Changed flags need new objects, hence the dependency on the Makefile.
$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(OPTIMIZE) $(CFLAGS) $(CFLAGS_$(notdir $*)) -c -o $@ $<

# The description of the routes, as bytes in the daemon.
$(BUILD)/server/handlers/openapi_text.c: proto/openapi.json Makefile
	@mkdir -p $(@D)
	{ printf '#include "server/handlers/openapi.h"\nconst unsigned char sower_openapi_text[] = {\n'; \
	    od -An -v -tu1 $< | sed 's/[0-9][0-9]*/&,/g'; \
	    printf '};\nconst size_t sower_openapi_size = sizeof sower_openapi_text;\n'; } >$@

$(BUILD)/server/handlers/openapi_text.o: $(BUILD)/server/handlers/openapi_text.c
	$(CC) $(OPTIMIZE) $(CFLAGS) -c -o $@ $<

-include $(shell find $(addprefix $(BUILD)/,core proto server client pic tests) -name '*.d' 2>/dev/null)

# Packages of Debian 12 and 13, which use the same names.
PACKAGES_BUILD = gcc libc6-dev libmicrohttpd-dev libgnutls28-dev libjansson-dev libsodium-dev libsqlite3-dev libpq-dev libsystemd-dev libcurl4-openssl-dev
PACKAGES_DEMO = curl
PACKAGES_CHECK = pkg-config libcmocka-dev python3-pytest python3-pytest-timeout python3-jsonschema curl openssl postgresql
PACKAGES_BENCH = python3 python3-pytest curl openssl nginx-light wrk valgrind
PACKAGES_INTEROP = python3-dev python3-venv
# The packages of nginx, Varnish, pgbouncer and Prometheus start services on ports 80, 6081, 6432 and 9090, so only CI and bench install
# them, HAProxy and Prometheus' parser. Without them their tests are skipped.
PACKAGES_CI = clang libclang-rt-dev python3-venv mandoc shellcheck nginx-light varnish haproxy pgbouncer prometheus python3-prometheus-client zsh fish

# Installs the missing packages of $(1) as root or with sudo. Without both, prints the command to run as root.
define install_packages
@missing=; for package in $(1); do \
    dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
done; \
[ -n "$$missing" ] || exit 0; \
install="apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends$$missing"; \
if [ "$$(id -u)" = 0 ]; then echo "Installing$$missing"; sh -c "$$install" >/dev/null; \
elif command -v sudo >/dev/null; then echo "Installing$$missing (sudo)"; sudo sh -c "$$install" >/dev/null; \
else echo "These packages are missing. As root, run:"; echo "  apt-get update && apt-get install$$missing"; exit 1; fi
endef

# Builds both programs with all cores. The compiler's output is shown only if it fails.
define build_quietly
@mkdir -p $(BUILD); echo "Building sowerd and sow in $(BUILD)/"; \
$(MAKE) --no-print-directory -s -j$$(nproc) all >$(BUILD)/make.log 2>&1 || { cat $(BUILD)/make.log; exit 1; }
endef

# Everything that is built from the tree, the Python package included.
deps-build:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_PYTHON))

deps-demo:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_DEMO))

deps:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_CHECK))

deps-bench:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_BENCH))

deps-interop:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_INTEROP))

deps-ci:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_CHECK) $(PACKAGES_CI))

demo: deps-demo
	$(build_quietly)
	@tests/demo $(BUILD)

run: deps-demo
	$(build_quietly)
	$(BUILD)/sowerd $(ARGS)

check: deps
	@$(MAKE) --no-print-directory all unit-tests
	@tests/run $(BUILD)

# Always in build/libmicrohttpd, also with another BUILD. Without them their tests are skipped.
library-versions:
	@tests/library_versions build/libmicrohttpd

# Data races between the daemon's threads.
check-threads: deps
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/thread TSAN=1 OPTIMIZE='-O1 -g' all unit-tests
	@tests/threads $(BUILD)/thread

# The service in containers that boot systemd. A machine that cannot run them skips the tests, and says why.
PACKAGES_SYSTEMD = debootstrap systemd-container
.PHONY: deps-systemd check-systemd
deps-systemd:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_CHECK) $(PACKAGES_SYSTEMD))

check-systemd: deps-systemd
	@$(MAKE) --no-print-directory all
	@BUILD=$(BUILD) PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider --timeout=300 tests/systemd

# A program must not depend on the directory, the date or the order of files.
check-reproducible: deps-build
	@tests/reproducible

unit-tests: $(UNIT) $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/faults/*.c))

# Libraries that tests preload into a program to inject faults of the disk, the clock, memory or the floating-point environment.
$(BUILD)/tests/faults/%.so: tests/faults/%.c
	@mkdir -p $(@D)
	$(CC) $(OPTIMIZE) $(filter-out -fsanitize%,$(CFLAGS)) -U_FORTIFY_SOURCE -fPIC -shared -o $@ $< -ldl

BENCH = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c)) $(BUILD)/tests/bench/without/sowerd
$(BUILD)/tests/bench/known: $(BUILD)/server/ledger/known.o
$(BUILD)/tests/bench/library: $(BUILD)/libsower.a
# The daemon without the counters of /metrics.
$(BUILD)/tests/bench/without/sowerd: $(BUILD)/server/main.o $(BUILD)/tests/bench/without/tally.o $(BUILD)/server.a $(BUILD)/proto.a $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(PROTO_LIBS) $(CORE_LIBS)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $^ -lpthread $(CORE_LIBS)

# Every version of clang-format formats differently, and Debian 12 and 13 have different ones. So one version from PyPI.
CLANG_FORMAT = build/clang-format-14/bin/clang-format
$(CLANG_FORMAT):
	python3 -m venv build/clang-format-14
	build/clang-format-14/bin/pip install --quiet --disable-pip-version-check clang-format==14.0.6

# Checks includes between rooms, imports of tests, names of files in comments, headers, format, scripts and manual pages.
.PHONY: lint format
lint: $(CLANG_FORMAT)
	tests/lint/arrows
	tests/lint/imports
	tests/lint/references
	tests/lint/headers $(CC)
	git ls-files '*.[ch]' '*.inc' | xargs $(CLANG_FORMAT) --dry-run -Werror
	shellcheck .ci/run client/python/package systemd/debian/package systemd/debian/sowerd.postrm client/sow/completions/sow.bash server/completions/sowerd.bash tests/arch tests/demo tests/reproducible tests/threads tests/fuzz/run docs/compose/prepare tests/image/base tests/image/postgres_entrypoint tests/image/run tests/library_versions tests/lint/headers server/docker_entrypoint
	mandoc -T lint -W warning client/sow/sow.1 client/library/sower.3 server/sowerd.8

format: $(CLANG_FORMAT)
	git ls-files '*.[ch]' '*.inc' | xargs $(CLANG_FORMAT) -i

# PARTS="http small" measures only these; tests/bench/run names them all.
bench: deps-bench
	@$(MAKE) --no-print-directory all $(BENCH)
	@tests/bench/run $(BUILD) $(PARTS)

# Skips, with a message, comparisons with packages that pip cannot install.
interop: deps-interop
	@$(MAKE) --no-print-directory all
	@tests/interop/run $(BUILD)

# The Python package, sower-init. Its tools come from PyPI.
PACKAGES_PYTHON = make python3-dev python3-venv
PYTHONS =
.PHONY: python check-python
python: deps-build
	@client/python/package $(BUILD)/python

check-python: deps-build
	@$(MAKE) --no-print-directory $(BUILD)/sowerd
	@tests/python $(BUILD) $(PYTHONS)

# Debian's packages, for the Debian that this machine runs. REVISION is the last part of their version.
PACKAGES_DEB = debhelper dh-python fakeroot pybuild-plugin-pyproject python3-setuptools python3-wheel
PACKAGES_CHECK_DEB = lintian mmdebstrap iproute2 python3-venv systemd-container
REVISION ?= 1
# Clean systems of Debian are kept here for the next run of check-deb.
SYSTEMS ?= build/systems
.PHONY: deb check-deb sbom deps-deb
deps-deb:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_PYTHON) $(PACKAGES_DEB) $(PACKAGES_CHECK_DEB))

deb:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_PYTHON) $(PACKAGES_DEB))
	@REVISION=$(REVISION) systemd/debian/package $(BUILD)/deb

check-deb: deps-deb
	@tests/packages $(BUILD) $(SYSTEMS)

sbom: deb
	@systemd/debian/sbom $(BUILD)/deb $(BUILD)/sower.cdx.json $(BUILD)/sbom
	@echo $(BUILD)/sower.cdx.json

# The Docker image. There is no registry of images in this: debootstrap makes the bases.
PACKAGES_IMAGE = aardvark-dns buildah crun debootstrap iproute2 iptables netavark openssl podman python3-pytest python3-pytest-timeout python3-venv \
    python3-yaml runc
.PHONY: deps-image check-image
deps-image:
	$(call install_packages,$(PACKAGES_IMAGE))

check-image: deps-image
	@tests/image/run $(BUILD)

# The vectors on emulated machines: s390x, which is big-endian, and aarch64, which has its own kernel.
ARCH = arm64 s390x
PACKAGES_ARCH = clang gcc-aarch64-linux-gnu gcc-s390x-linux-gnu libc6-dev-arm64-cross libc6-dev-s390x-cross qemu-user \
    $(foreach arch,$(ARCH),$(addsuffix :$(arch),libsodium-dev libjansson-dev libcmocka-dev))
deps-arch:
	@known=$$(dpkg --print-foreign-architectures); for arch in $(ARCH); do \
	    case " $$(echo $$known) " in *" $$arch "*) ;; *) [ "$$(id -u)" = 0 ] && set -- || set -- sudo; \
	    "$$@" dpkg --add-architecture $$arch || exit 1 ;; esac; done
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_CHECK) $(PACKAGES_ARCH))

check-arch: deps-arch
	@tests/arch $(BUILD)

# The description of the routes, and the daemon with it, by tools from PyPI and npm.
PACKAGES_OPENAPI = python3-venv
.PHONY: check-openapi
check-openapi:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_OPENAPI))
	@$(MAKE) --no-print-directory -s $(BUILD)/sowerd
	@tests/openapi/run $(BUILD)

# All 2^32 words through every kernel of this machine, compared with a reference of higher precision. Takes some minutes.
CFLAGS_exhaustive = -march=native
$(BUILD)/tests/exhaustive: $(BUILD)/tests/exhaustive.o $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $^ -lpthread $(CORE_LIBS)

check-exhaustive: deps-build
	@$(MAKE) --no-print-directory $(BUILD)/tests/exhaustive
	$(BUILD)/tests/exhaustive

# libFuzzer, a part of clang: each target of tests/fuzz runs SECONDS, several at the same time. TARGETS="record glob" runs only
# these. The next run starts from the inputs found so far, in build/fuzz/grown.
SECONDS ?= 60
FUZZ_TARGETS = $(notdir $(basename $(wildcard tests/fuzz/*.c)))
TARGETS = $(FUZZ_TARGETS)
PACKAGES_FUZZ = clang libclang-rt-dev
.PHONY: fuzz fuzz-targets deps-fuzz
deps-fuzz:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_FUZZ))

$(BUILD)/tests/fuzz/server $(BUILD)/tests/fuzz/callers: $(BUILD)/server.a
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/proto.a $(BUILD)/core.a
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(filter %server.a,$^) $(filter-out %server.a %.o,$^) \
	    $(if $(filter %server.a,$^),$(SERVER_LIBS)) $(PROTO_LIBS) $(CORE_LIBS)

fuzz-targets: $(addprefix $(BUILD)/tests/fuzz/,$(FUZZ_TARGETS))

fuzz: deps-fuzz
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/fuzz CC=clang FUZZ=1 OPTIMIZE='-O1 -g' fuzz-targets
	@tests/fuzz/run $(BUILD)/fuzz $(SECONDS) $(TARGETS)

# The daemon with libmicrohttpd's parser of HTTP, SECONDS with each version that make library-versions has installed.
.PHONY: fuzz-http
$(BUILD)/tests/fuzz/http/driver: $(BUILD)/tests/fuzz/http/driver.o $(BUILD)/tests/fuzz/http/script.o
	$(CC) $(LDFLAGS) -o $@ $^

fuzz-http: deps-build
	@$(MAKE) --no-print-directory -s $(BUILD)/sowerd $(BUILD)/tests/fuzz/http/driver
	@tests/fuzz/http/run $(BUILD) $(SECONDS) $(dir $(wildcard build/libmicrohttpd/*/version))

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
SYSCONFDIR ?= /etc
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
VERSION = $(shell sed -n 's/^\#define SOWER_VERSION "\(.*\)"$$/\1/p' proto/version.h)
.PHONY: install-programs install-service install-library
install: install-programs install-service install-library

install-programs: $(BUILD)/sow $(BUILD)/sowerd
	install -Dm755 -t $(DESTDIR)$(PREFIX)/bin $^
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man1 client/sow/sow.1
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man8 server/sowerd.8
	install -Dm644 client/sow/completions/sow.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sow
	install -Dm644 server/completions/sowerd.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sowerd
	install -Dm644 -t $(DESTDIR)$(ZSHDIR) client/sow/completions/_sow server/completions/_sowerd
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d client/sow/completions/sow.fish server/completions/sowerd.fish

# The unit, a socket, the user and an example of options. A file of options that is already there stays.
install-service:
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(SYSCONFDIR)/sower
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|; s|/etc/sower/|$(SYSCONFDIR)/sower/|' systemd/sowerd.service \
	    >$(DESTDIR)$(PREFIX)/lib/systemd/system/sowerd.service
	install -m644 systemd/sowerd.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/sowerd.socket
	install -m644 systemd/sower.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/sowerd.conf
	[ -e $(DESTDIR)$(SYSCONFDIR)/sower/sowerd.conf ] || install -m644 systemd/sowerd.conf $(DESTDIR)$(SYSCONFDIR)/sower/sowerd.conf

install-library: $(BUILD)/libsower.so.1 $(BUILD)/libsower.a
	install -Dm644 -t $(DESTDIR)$(LIBDIR) $^
	ln -sf libsower.so.1 $(DESTDIR)$(LIBDIR)/libsower.so
	install -Dm644 -t $(DESTDIR)$(PREFIX)/include client/library/sower.h
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man3 client/library/sower.3
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' client/library/sower.pc.in \
	    >$(DESTDIR)$(LIBDIR)/pkgconfig/sower.pc

clean:
	rm -rf $(BUILD)
