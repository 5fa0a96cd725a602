"""Results as pages of HTML that stand alone: tables, and pictures drawn into them."""
