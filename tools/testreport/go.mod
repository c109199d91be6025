module github.com/mainstemdb/mainstem/tools/testreport

go 1.26.0
