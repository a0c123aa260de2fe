-- What the present run of an agent, or its next one before there was any, is kept from.
ALTER TABLE agent ADD COLUMN isolation TEXT NOT NULL DEFAULT 'none' CHECK (isolation IN ('none', 'bwrap'));
