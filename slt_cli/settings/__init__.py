"""All settings: one Pydantic section per concern, layered, each value with its origin."""
