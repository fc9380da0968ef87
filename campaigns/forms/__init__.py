"""What users type, parsed. The rules of a campaign stand in services and protocol; here is only their way into a form and back."""
