"""FlexGen: complete prompts with a model that need not fit in memory.

prompts ---------+
                 +-> generations (block by block), offload_runs
language_models -+
"""

from pydantic import BaseModel, Field

from data.lake import TableRef
from models.lm.config import ModelConfig
from models.lm.interface import Sampling
from tasks.flexgen import (
    GenerationConfig,
    Memory,
    PromptConfig,
    blocks,
    generations,
    prompts,
    source_of,
)
from tasks.lm import language_model
from tasks.pipeline import pipeline


class FlexGenConfig(BaseModel, frozen=True, extra="forbid"):
    """Which prompts, by which model, in how much memory."""

    prompts: PromptConfig = Field(default=PromptConfig(), description="the prompts")
    model: ModelConfig = Field(
        default=ModelConfig(backend="offload"), description="the model, run by the engine"
    )
    generation: GenerationConfig = Field(default=GenerationConfig(), description="what is written")
    memory_bytes: int = Field(
        default=150 << 20,
        description="most memory of device and host together [bytes], the interpreter's own apart",
        ge=1,
    )
    disk: str = Field(default="", description="folder of the disk tier; empty: in HEADWATER_HOME")


PROFILES = {
    "quick": FlexGenConfig(),
    "standard": FlexGenConfig(
        prompts=PromptConfig(limit=1000),
        generation=GenerationConfig(sampling=Sampling(max_tokens=16), requests=128),
        memory_bytes=512 << 20,
    ),
    # 32 new tokens a prompt, in 16 GB, weights and cache in 4 bits (section 6).
    "paper": FlexGenConfig(
        prompts=PromptConfig(limit=None),
        generation=GenerationConfig(
            sampling=Sampling(max_tokens=32), compress_weights=True, compress_cache=True
        ),
        memory_bytes=16 << 30,
    ),
}


@pipeline("flexgen")
def flexgen(config: FlexGenConfig = PROFILES["quick"]) -> TableRef:
    """Prompts go through a model block by block; a killed run goes on with the next block."""
    texts = prompts(source_of(config.prompts))
    model = language_model(config.model)
    memory = Memory(bytes=config.memory_bytes, disk=config.disk)
    for block in range(blocks(texts, config.generation)):
        written = generations(texts, model, config.generation, block, memory)
    return written
