"""Who may do what: logins, sessions, a trusted proxy, and the trail of every act."""
