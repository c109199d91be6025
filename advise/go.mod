module github.com/mainstemdb/mainstem/advise

go 1.26.0

require (
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
	go.yaml.in/yaml/v3 v3.0.6
)

require (
	github.com/modelcontextprotocol/go-sdk v1.8.0 // indirect
	golang.org/x/text v0.14.0 // indirect
)
