<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="product"><xsl:value-of select="."/>: <xsl:value-of select="@cents"/><xsl:text>&#10;</xsl:text></xsl:template>
</xsl:stylesheet>
