"""Files: what members share. Their bytes lie beside the database; here is whose they are and who may have them.

`model` is a file and its row and who may see it, `adding` takes new ones in, `reading` lists and hands out, `folders`
keeps them in order, `attaching` puts them to messages.
"""
