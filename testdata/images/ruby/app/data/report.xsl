<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:import href="/srv/shop/data/line.xsl"/>
  <xsl:output method="text" encoding="UTF-8"/>
  <xsl:template match="products"><xsl:apply-templates select="product"/>sum <xsl:value-of select="sum(product/@cents)"/></xsl:template>
</xsl:stylesheet>
