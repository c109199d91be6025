package cli

type verifyLogCmd struct{ database }

func (c *verifyLogCmd) Run(e *env) error { return c.exists() }
