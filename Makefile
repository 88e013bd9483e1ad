# make            build/sowerd and build/sow
# make demo       from nothing to a compared tensor, in one command
# make run        the daemon in the foreground (ARGS="--threads 4" passes options)
# make check      every test; ends in "N passed, N failed"
# make interop    comparisons with PyTorch, JAX and Keras, installed from PyPI into build/venv
# make check-arch        the vectors on emulated aarch64 and s390x, by gcc and clang
# make check-exhaustive  all 2^32 words through every kernel, in some minutes
# make fuzz       every parser on made-up input, SECONDS=60 each
# make fuzz-http  the same over HTTP, with each libmicrohttpd of make library-versions
# make bench      the figures, as ratios against peers in the same run
# make deps       install what the above need (apt)
# make library-versions  libmicrohttpd of three releases of Debian, for the tests that meet each of them
# make install    into PREFIX (/usr/local), below DESTDIR

BUILD ?= build
CC ?= cc
# Constants are enumerators here, and may stand beside doubles: Debian 13's clang would warn of that.
WARNINGS = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-enum-float-conversion
# -ffp-contract=off is part of the bit contract: a * b + c is rounded twice unless the code says fma.
override CFLAGS += -std=c17 -D_GNU_SOURCE $(WARNINGS) -iquote . -ffp-contract=off -fno-math-errno -MMD -MP
OPTIMIZE ?= -O2 -g
ifdef WERROR
override CFLAGS += -Werror
endif
ifdef SANITIZE
override CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=address,undefined
endif
ifdef FUZZ
override CFLAGS += -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
override LDFLAGS += -fsanitize=address,undefined
endif

sources = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(addsuffix /*.c,$(patsubst %/,%,$(1)))))
CORE = $(call sources,core core/initializers core/kernels)
PROTO = $(call sources,proto)
SERVER = $(call sources,server $(wildcard server/*/) server/ledger/sqlite server/ledger/postgres)
CLIENT = $(call sources,client/sow $(wildcard client/sow/*/))
UNIT = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*/*.c))

CORE_LIBS = -lsodium -lm
PROTO_LIBS = -ljansson
SERVER_LIBS = -lmicrohttpd -lsqlite3 -lpq -lsystemd -lpthread
CLIENT_LIBS = -lcurl -lsqlite3 -lpthread

.DEFAULT_GOAL := all
.SECONDARY:
.PHONY: all library-versions deps-build deps-demo deps deps-ci deps-bench deps-interop demo run check bench interop check-arch deps-arch check-exhaustive unit-tests install clean

all: $(BUILD)/sowerd $(BUILD)/sow

# Members are named by the same words as their sources; an archive is made anew, so that none outlives its source.
$(BUILD)/core.a: $(CORE)
$(BUILD)/proto.a: $(PROTO)
$(BUILD)/server.a: $(filter-out $(BUILD)/server/main.o,$(SERVER))
$(BUILD)/core.a $(BUILD)/proto.a $(BUILD)/server.a:
	@rm -f $@
	$(AR) qcs $@ $^

$(BUILD)/sowerd: $(BUILD)/server/main.o $(BUILD)/server.a $(BUILD)/proto.a $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS) $(PROTO_LIBS) $(CORE_LIBS)

$(BUILD)/sow: $(CLIENT) $(BUILD)/proto.a $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $^ $(CLIENT_LIBS) $(PROTO_LIBS) $(CORE_LIBS)

# Tests that look inside the daemon are linked with it; the others build where its libraries are missing.
$(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/server/*.c)): $(BUILD)/server.a
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/proto.a $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $< $(filter %server.a,$^) $(filter-out %server.a %.o,$^) -lcmocka -lpthread \
	    $(if $(filter %server.a,$^),$(SERVER_LIBS)) $(PROTO_LIBS) $(CORE_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(OPTIMIZE) $(CFLAGS) $(CFLAGS_$(notdir $*)) -c -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# Debian's packages, the same names in 12 and 13.
PACKAGES_BUILD = gcc libc6-dev libmicrohttpd-dev libjansson-dev libsodium-dev libsqlite3-dev libpq-dev libsystemd-dev libcurl4-openssl-dev
PACKAGES_DEMO = curl
PACKAGES_CHECK = libcmocka-dev python3-pytest python3-pytest-timeout curl openssl postgresql
PACKAGES_BENCH = python3 curl nginx-light wrk
PACKAGES_INTEROP = python3-venv
# nginx, Varnish and pgbouncer, which their packages start on ports 80, 6081 and 6432, and HAProxy are only for CI and bench; their
# tests are skipped without them.
PACKAGES_CI = clang libclang-rt-dev clang-format mandoc shellcheck nginx-light varnish haproxy pgbouncer

# Installs what is missing of $(1), as root or through sudo; otherwise says what to type.
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

deps-build:
	$(call install_packages,$(PACKAGES_BUILD))

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

run: deps-build
	$(build_quietly)
	$(BUILD)/sowerd $(ARGS)

check: deps
	@$(MAKE) --no-print-directory all unit-tests
	@tests/run $(BUILD)

# The tests find them below build/, whatever BUILD is; without them they are skipped.
library-versions:
	@tests/library_versions build/libmicrohttpd

unit-tests: $(UNIT) $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/faults/*.c))

# Preloaded into programs whose disk, clock, memory or environment is to fail.
$(BUILD)/tests/faults/%.so: tests/faults/%.c
	@mkdir -p $(@D)
	$(CC) $(OPTIMIZE) $(filter-out -fsanitize%,$(CFLAGS)) -fPIC -shared -o $@ $< -ldl

BENCH = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
$(BUILD)/tests/bench/known: $(BUILD)/server/ledger/known.o
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $^ -lpthread $(CORE_LIBS)

# What a reader would find: arrows between rooms, comments that name missing files, headers that need another header first, format, scripts, manual pages.
.PHONY: lint
lint:
	tests/lint/arrows
	tests/lint/imports
	tests/lint/references
	tests/lint/headers $(CC)
	git ls-files '*.[ch]' '*.inc' | xargs clang-format --dry-run -Werror
	shellcheck .ci/run tests/arch tests/demo tests/fuzz/run tests/library_versions tests/lint/headers
	mandoc -T lint -W warning client/sow/sow.1 server/sowerd.8

# PARTS="http small" measures only these; tests/bench/run names them all.
bench: deps-bench
	@$(MAKE) --no-print-directory all $(BENCH)
	@tests/bench/run $(BUILD) $(PARTS)

# What pip cannot install is left out, with a word.
interop: deps-interop
	@$(MAKE) --no-print-directory all
	@tests/interop/run $(BUILD)

# The vectors on other machines, emulated: big-endian s390x, and aarch64 with its own kernel.
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

# All 2^32 words through every kernel of this machine, against a reference of higher precision; some minutes.
CFLAGS_exhaustive = -march=native
$(BUILD)/tests/exhaustive: $(BUILD)/tests/exhaustive.o $(BUILD)/core.a
	$(CC) $(LDFLAGS) -o $@ $^ -lpthread $(CORE_LIBS)

check-exhaustive: deps-build
	@$(MAKE) --no-print-directory $(BUILD)/tests/exhaustive
	$(BUILD)/tests/exhaustive

# libFuzzer, which comes with clang: each target of tests/fuzz runs SECONDS, several at once. With TARGETS="record
# glob" only these; the inputs that were found are kept in build/fuzz/grown and go on from there.
SECONDS ?= 60
FUZZ_TARGETS = $(notdir $(basename $(wildcard tests/fuzz/*.c)))
TARGETS = $(FUZZ_TARGETS)
PACKAGES_FUZZ = clang libclang-rt-dev
.PHONY: fuzz fuzz-targets deps-fuzz
deps-fuzz:
	$(call install_packages,$(PACKAGES_BUILD) $(PACKAGES_FUZZ))

$(BUILD)/tests/fuzz/server: $(BUILD)/server.a
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/proto.a $(BUILD)/core.a
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(filter %server.a,$^) $(filter-out %server.a %.o,$^) \
	    $(if $(filter %server.a,$^),$(SERVER_LIBS)) $(PROTO_LIBS) $(CORE_LIBS)

fuzz-targets: $(addprefix $(BUILD)/tests/fuzz/,$(FUZZ_TARGETS))

fuzz: deps-fuzz
	@$(MAKE) --no-print-directory -s BUILD=$(BUILD)/fuzz CC=clang FUZZ=1 OPTIMIZE='-O1 -g' fuzz-targets
	@tests/fuzz/run $(BUILD)/fuzz $(SECONDS) $(TARGETS)

# libmicrohttpd's parser of HTTP through the daemon, SECONDS on each version that make library-versions has fetched.
.PHONY: fuzz-http
$(BUILD)/tests/fuzz/http/driver: $(BUILD)/tests/fuzz/http/driver.o $(BUILD)/tests/fuzz/http/script.o
	$(CC) $(LDFLAGS) -o $@ $^

fuzz-http: deps-build
	@$(MAKE) --no-print-directory -s $(BUILD)/sowerd $(BUILD)/tests/fuzz/http/driver
	@tests/fuzz/http/run $(BUILD) $(SECONDS) $(dir $(wildcard build/libmicrohttpd/*/version))

PREFIX ?= /usr/local
install: all
	install -Dm755 -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/sow $(BUILD)/sowerd
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man1 client/sow/sow.1
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man8 server/sowerd.8

clean:
	rm -rf $(BUILD)
