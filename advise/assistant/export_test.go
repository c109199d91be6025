package assistant

// Call calls a tool by its number, without a client.
func Call(which int, arguments []byte) ([]byte, error) {
	all := tools(nil)
	result, err := all[which%len(all)].call(arguments)
	if err != nil {
		return nil, err
	}
	return encode(result)
}
