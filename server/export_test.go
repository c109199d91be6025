package server

// Bound gives a server fewer places than LimitViews and LimitFeeds.
func (s *Server) Bound(views, feeds int64) { s.views.most, s.feeds.most = views, feeds }

// BoundCommits has a server let in so many transactions, until it knows better.
func (s *Server) BoundCommits(n int64) { s.commits.most.Store(n) }
