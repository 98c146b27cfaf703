"""All settings: one Pydantic section per concern, loaded in layers that remember where a value came from."""
