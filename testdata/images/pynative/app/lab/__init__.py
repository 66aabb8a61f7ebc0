"""A laboratory's service: pictures, numbers and documents."""
