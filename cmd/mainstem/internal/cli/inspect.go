package cli

type inspectCmd struct{ database }

func (c *inspectCmd) Run(e *env) error { return c.exists() }
