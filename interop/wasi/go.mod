module example.com/gateway/interop/wasi

go 1.25.0

require (
	example.com/gateway v0.0.0
	github.com/tetratelabs/wazero v1.12.0
)

require golang.org/x/sys v0.44.0 // indirect

replace example.com/gateway => ../..
