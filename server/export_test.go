package server

// Bound gives a server fewer places than LimitViews and LimitFeeds.
func (s *Server) Bound(views, feeds int64) { s.views.most, s.feeds.most = views, feeds }
