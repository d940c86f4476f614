.PHONY: run test chaos long teeth build check lint vuln bench client contract setup setup-tests

run: build
	@bin/singlewindow demo $(if $(ONCE),--once)

# Four tests at once: most of them wait, for leases, deadlines and processes.
# Garbage may lie longer, which spares a tenth of the work; vet is lint's.
test: setup-tests
	GOGC=400 go test -race -shuffle=on -parallel 4 -timeout 15m -vet=off ./...

# The long forms of the tests; ONLY is a pattern of their names. Whatever befalls
# deliveries, within an hour:
chaos: setup-tests
	@.ci/long/run '$(or $(ONLY),^TestChaos)'

# And all else: large files, long lists, many at once.
long: setup-tests
	@.ci/long/run '$(or $(ONLY),^TestLong)'

# Builds broken on purpose: every one must be caught.
teeth: setup
	@.ci/teeth/run

build: setup
	@mkdir -p bin
	@go build -o bin/ ./cmd/singlewindow ./cmd/agencysim

check: build
	bin/singlewindow check

bench: build
	bin/singlewindow bench

lint:
	go tool -modfile=.ci/lint/go.mod golangci-lint run

# VULNDB is a folder or archive of the Go vulnerability data (osv.tgz).
VULNDB ?= ../shared/vulndb/osv.tgz
vuln:
	@.ci/vuln/run $(VULNDB)

# The Go client, made anew from the OpenAPI document.
client: setup
	@.ci/client/run

# Records the contract that later changes are held against: with a release.
contract: client
	go test ./api -count=1 -run '^TestTheContractIsKept$$' -record

setup:
	@.ci/setup

setup-tests:
	@.ci/setup tests
