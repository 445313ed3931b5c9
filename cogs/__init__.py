"""Chat: a cog per noun, thin. Empty until wirewatch speaks Discord; `bot.desk` already answers what they will ask."""
