from ofdb_core.batches import timm_chain


class Chain(timm_chain.TimmChain): ...
